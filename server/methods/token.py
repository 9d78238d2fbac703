"""``token_*``: make, show, change and delete tokens."""

from protocol.errors import CredentialMalformed, InvalidInput, NotFound, PermissionDenied
from protocol.methods.token import (
    ChangePassword,
    CreateToken,
    DeleteToken,
    EditToken,
    GetToken,
    ListTokens,
    RollTokenSecret,
)
from protocol.permissions import LIMIT_SCHEMA
from protocol.schemas import COUNT, FLAG, TEXT, TIME_MS, array, nullable, record
from server.auth import Auth, Token
from server.credentials import FORMS, LEAST_PASSWORD_BYTES
from server.methods.interface import Exchange, Method, json_text

_CREDENTIAL = record({"key": TEXT, "secret": TEXT})
_RECORD = record(
    {
        "version": COUNT,
        "token_key": TEXT,
        "timestamp_from": nullable(TIME_MS),
        "timestamp_to": nullable(TIME_MS),
        "token_limit": array(LIMIT_SCHEMA),
        "username": nullable(TEXT),
    }
)
_ROOT_ONLY = "Only SuperToken can perform this operation"


class TokenMethods:
    """The methods of this namespace; all but one are for the root token."""

    def __init__(self, *, auth: Auth) -> None:
        self._auth = auth

    def methods(self) -> list[Method]:
        """All of them."""
        return [
            Method(
                name="token_create",
                summary="Make a token; its secret is shown this once.",
                result=_CREDENTIAL,
                params=CreateToken,
                call=self._create,
            ),
            Method(name="token_get", summary="Show a token's record.", result=_RECORD, params=GetToken, call=self._get),
            Method(
                name="token_list_all_tokens",
                summary="Show all tokens' records.",
                result=record({"tokens": array(_RECORD)}),
                params=ListTokens,
                call=self._list_all,
            ),
            Method(
                name="token_edit",
                summary="Give a token other limits.",
                result=record({"id": COUNT, "success": FLAG, "token_key": TEXT}),
                params=EditToken,
                call=self._edit,
            ),
            Method(
                name="token_roll_token_secret",
                summary="Give a token a new secret.",
                result=_CREDENTIAL,
                params=RollTokenSecret,
                call=self._roll,
            ),
            Method(
                name="token_change_password",
                summary="Give a token another password.",
                result=record({"success": FLAG, "message": TEXT}),
                params=ChangePassword,
                call=self._change_password,
            ),
            Method(
                name="token_delete",
                summary="Delete a token: it stops working at once.",
                result=record({"matched_by": TEXT, "message": TEXT, "rows_affected": COUNT}),
                params=DeleteToken,
                call=self._delete,
            ),
        ]

    async def _create(self, params: CreateToken, _exchange: Exchange) -> bytes:
        await self._need_root(params.father_token, "Permission Denied: Only Super Token can create new tokens")
        creation = params.token_creation
        if (creation.username is None) != (creation.password is None):
            raise CredentialMalformed("Username and Password must be both provided or both absent")
        return json_text(await self._auth.create(creation))

    async def _get(self, params: GetToken, _exchange: Exchange) -> bytes:
        if params.supertoken is None:
            return json_text((await self._auth.verify(params.token)).form())
        only_root = "Only SuperToken can query by username/token_key in token_get"
        await self._need_root(params.supertoken, only_root, f"Failed to parse supertoken: {FORMS}")
        is_credential = ":" in params.token or "|" in params.token
        token = await self._auth.verify(params.token) if is_credential else self._find(params.token)
        return json_text(token.form())

    async def _list_all(self, params: ListTokens, _exchange: Exchange) -> bytes:
        await self._need_root(params.token, "Only SuperToken can list all tokens")
        return json_text({"tokens": [token.form() for token in self._auth.all()]})

    async def _edit(self, params: EditToken, _exchange: Exchange) -> bytes:
        await self._need_root(params.token, "Only SuperToken can edit token limits")
        token = self._find(params.target_token)
        await self._auth.edit(token, params.limit)
        return json_text({"id": token.row.id, "success": True, "token_key": token.row.key})

    async def _roll(self, params: RollTokenSecret, _exchange: Exchange) -> bytes:
        await self._need_root(params.token, _ROOT_ONLY, FORMS)
        return json_text(await self._auth.roll(self._target(params.target_token)))

    async def _change_password(self, params: ChangePassword, _exchange: Exchange) -> bytes:
        await self._need_root(params.token, _ROOT_ONLY, FORMS)
        if not params.new_password:
            raise InvalidInput("New password cannot be empty")
        if len(params.new_password.encode()) < LEAST_PASSWORD_BYTES:
            raise InvalidInput(f"New password must be at least {LEAST_PASSWORD_BYTES} characters long")
        await self._auth.change_password(self._target(params.target_token), params.new_password)
        return json_text({"success": True, "message": "Password changed successfully"})

    async def _delete(self, params: DeleteToken, _exchange: Exchange) -> bytes:
        await self._need_root(params.token, "Only SuperToken can delete tokens")
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

    async def _need_root(self, credential: str, otherwise: str, malformed: str | None = None) -> None:
        """Some methods have their own words for a credential that is none."""
        try:
            token = await self._auth.verify(credential)
        except CredentialMalformed as e:
            raise e if malformed is None else CredentialMalformed(malformed) from None
        if not token.is_root:
            raise PermissionDenied(otherwise)

    def _target(self, text: str) -> Token:
        """The token that a key, a username or a whole credential names; its second half is not looked at."""
        return self._find(text.partition(":")[0].partition("|")[0], "Target token")

    def _find(self, name: str, what: str = "Token") -> Token:
        token = self._auth.find(name)
        if token is None:
            raise NotFound(f"{what} not found by key/username: {name}")
        return token
