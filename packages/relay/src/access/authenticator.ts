// Who says who somebody is: a function from credentials to an identity. jwt-authenticator.ts and webhook-authenticator.ts make such functions, and a program that
// embeds a relay may bring its own. Asked by doorman.ts. Rules: AC-4.

import type { Credentials, Identity } from './access.ts'

/** Resolves with the identity, or null for a token that it does not accept. Rejects with "auth-invalid", "auth-expired" or "auth-unavailable"; any other rejection
 *  counts as "auth-unavailable": what failed is not known to be the token, so the client tries again. Asked only where there is a token. */
export type Authenticator = (credentials: Credentials) => Promise<Identity | null>
