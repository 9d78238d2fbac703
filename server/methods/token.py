"""``token_*``: make, show and delete tokens."""

from protocol.errors import CredentialMalformed, InvalidInput, NotFound, PermissionDenied
from protocol.methods.token import CreateToken, DeleteToken, GetToken, ListTokens
from server.auth import Auth, Token
from server.methods.interface import Exchange, Method, json_text


class TokenMethods:
    """The methods of this namespace; all but one are for the root token."""

    def __init__(self, *, auth: Auth) -> None:
        self._auth = auth

    def methods(self) -> list[Method]:
        """All of them."""
        return [
            Method(name="token_create", params=CreateToken, call=self._create),
            Method(name="token_get", params=GetToken, call=self._get),
            Method(name="token_list_all_tokens", params=ListTokens, call=self._list_all),
            Method(name="token_delete", params=DeleteToken, call=self._delete),
        ]

    async def _create(self, params: CreateToken, _exchange: Exchange) -> bytes:
        self._need_root(params.father_token, "Permission Denied: Only Super Token can create new tokens")
        creation = params.token_creation
        if (creation.username is None) != (creation.password is None):
            raise CredentialMalformed("Username and Password must be both provided or both absent")
        if creation.username is not None:
            raise InvalidInput("tokens with a username and password are not served; leave both out")
        return json_text(await self._auth.create(creation))

    async def _get(self, params: GetToken, _exchange: Exchange) -> bytes:
        if params.supertoken is None:
            return json_text(self._auth.verify(params.token).form())
        self._need_root(params.supertoken, "Only SuperToken can query by username/token_key in token_get")
        is_credential = ":" in params.token or "|" in params.token
        token = self._auth.verify(params.token) if is_credential else self._find(params.token)
        return json_text(token.form())

    async def _list_all(self, params: ListTokens, _exchange: Exchange) -> bytes:
        self._need_root(params.token, "Only SuperToken can list all tokens")
        return json_text({"tokens": [token.form() for token in self._auth.all()]})

    async def _delete(self, params: DeleteToken, _exchange: Exchange) -> bytes:
        self._need_root(params.token, "Only SuperToken can delete tokens")
        name = params.target_token.strip()
        if not name:
            raise InvalidInput("target_token cannot be empty")
        token = self._find(name)
        if token.is_root:
            raise PermissionDenied("SuperToken cannot be deleted")
        await self._auth.delete(token)
        return json_text(
            {
                "matched_by": "token_key" if token.row.key == name else "username",
                "message": f"Token {name} deleted successfully by SuperToken",
                "rows_affected": 1,
            }
        )

    def _need_root(self, credential: str, otherwise: str) -> None:
        if not self._auth.is_root(credential):
            raise PermissionDenied(otherwise)

    def _find(self, name: str) -> Token:
        token = self._auth.find(name)
        if token is None:
            raise NotFound(f"Token not found by key/username: {name}")
        return token
