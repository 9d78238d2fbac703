"use strict";
// Keeps the page up to date: the server sends elements that became other ones, as it would render them now.

(() => {
  const path = document.body.dataset.path;
  const status = document.getElementById("live");
  const changes = document.getElementById("changes");
  const MOST_SAID = 5;
  const LOG_IN_AGAIN = 1008;
  let pause = 500;
  let seen = document.body.dataset.seen;

  const show = (isLive) => {
    status.hidden = false;
    status.classList.toggle("away", !isLive);
    status.textContent = isLive ? status.dataset.live : status.dataset.away;
  };

  const element = (html) => {
    // A row of a table is one only inside of a template.
    const template = document.createElement("template");
    template.innerHTML = html.trim();
    return template.content.firstElementChild;
  };

  // A link that has the focus loses it when its element is replaced or moved: the same link has it again afterwards.
  const keepingFocus = (change) => {
    const href = document.activeElement && document.activeElement.getAttribute("href");
    const part = href && document.activeElement.closest("[id]");
    change();
    if (!part || document.activeElement !== document.body) return;
    const now = document.getElementById(part.id);
    const same = now && [...now.querySelectorAll("a")].find((link) => link.getAttribute("href") === href);
    if (same) same.focus({ preventScroll: true });
  };

  const take = (news) => {
    const said = [];
    const fresh = new Map();
    for (const [id, html] of Object.entries(news.parts)) {
      const made = element(html);
      const old = document.getElementById(id);
      if (old) {
        if (made.dataset.state !== undefined && made.dataset.state !== old.dataset.state) said.push(made.dataset.say);
        old.replaceWith(made);
      } else {
        fresh.set(id, made);
      }
    }
    if (news.listed) order(news.listed, fresh);
    document.dispatchEvent(new Event("news"));
    if (said.length) changes.textContent = said.slice(0, MOST_SAID).join(", ") + (said.length > MOST_SAID ? ", …" : "");
  };

  const order = (listed, fresh) => {
    const list = document.getElementById("list");
    if (list.hidden || !listed.length) {
      if (list.hidden !== !listed.length) location.reload();
      return;
    }
    const wanted = new Set(listed);
    for (const child of [...list.children]) if (!wanted.has(child.id)) child.remove();
    listed.forEach((id, place) => {
      const child = document.getElementById(id) || fresh.get(id);
      const there = list.children[place];
      if (child && child !== there) list.insertBefore(child, there || null);
    });
  };

  const connect = () => {
    const url = new URL("/-/live", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.search = location.search;
    url.hash = "";
    url.searchParams.set("path", path);
    url.searchParams.set("seen", seen);
    const socket = new WebSocket(url);
    socket.onopen = () => { pause = 500; show(true); };
    socket.onmessage = (event) => { seen = ""; keepingFocus(() => take(JSON.parse(event.data))); };
    socket.onclose = (event) => {
      if (event.code === LOG_IN_AGAIN) { location.reload(); return; }
      show(false);
      seen = "";
      setTimeout(connect, pause);
      pause = Math.min(pause * 2, 15000);
    };
  };

  connect();
})();
