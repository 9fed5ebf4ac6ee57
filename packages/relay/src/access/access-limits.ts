// Every bound of authentication and policy, unit last in its name, each with its reason. Read by the files of this folder. Rules: AC-2, AC-3, AC-6.

const KIB = 1024
const MIB = 1024 * KIB

export const ACCESS_LIMITS = {
  /** A policy file: thousands of rules fit, and reading it stays a matter of milliseconds. */
  policyBytesMax: 1 * MIB,
  /** Rules of all roles, and entries of `assign`, each: one decision may look at all of them. */
  rulesMax: 4096,
  /** Patterns of one rule for spaces, and for documents. */
  patternsPerRuleMax: 64,
  /** One pattern, in UTF-16 units: as long as a document name may be. */
  patternCharactersMax: 512,
  /** Wildcards of one pattern: the time of a match grows with them. */
  patternWildcardsMax: 32,
  /** Nodes of one condition: operators, values and items of lists. */
  conditionNodesMax: 256,
  /** Operators inside operators: far below any stack. */
  conditionDepthMax: 16,
  /** Nesting of a policy file: a condition at its deepest, with room. */
  policyDepthMax: 64,
  /** Subject in UTF-8: it may be part of a document name. */
  subjectBytesMax: 512,
  /** Roles of one identity, and the length of each in UTF-16 units. */
  rolesMax: 256,
  roleCharactersMax: 128,
  /** A policy file is looked at this often, so that a change is live within 1 s. */
  policyPollMs: 250,
  /** A file whose time of change is younger than this is read again: file systems count time in steps. */
  policyYoungMs: 2_000,
  /** Passes are looked through for expiry this often. */
  expirySweepMs: 250,
  /** Passes whose listeners are called in one turn of the event loop. */
  noticesPerTurnMax: 256,
  /** Documents whose decisions one pass remembers: 10,000 connections stay under 200 MB, all of them at the bound. */
  decisionsPerPassMax: 256,
  /** All of an authentication, whoever does it. Below the 10 s of a handshake. */
  authenticateMsMax: 8_000,
  /** Secret of HS256: RFC 7518 asks for as many bits as the hash has. */
  secretBytesMin: 32,
  /** Clocks of issuer and relay may differ by this at most. */
  clockToleranceMsMax: 60_000,
  /** One answer of an issuer (keys) or a webhook (an identity). */
  answerBytesMax: 256 * KIB,
  /** Keys are fetched again after this time ... */
  jwksRefreshMs: 600_000,
  /** ... go on for this time while the issuer does not answer ... */
  jwksStaleMsMax: 86_400_000,
  /** ... and are fetched for an unknown key, or after a failure, at most this often. */
  jwksPauseMs: 5_000,
  /** Keys of one set that are tried for a token that names none. */
  jwksTriesMax: 8,
  /** A webhook's good answer is used again for this time. */
  webhookCacheMs: 60_000,
  /** Answers that are remembered, about 1 KB each. */
  webhookCacheMax: 10_000,
  /** Questions under way at once; further ones wait their turn, within their time limit. */
  webhookAskingMax: 64,
  /** Attempts of one question, all within its time limit. */
  webhookAttemptsMax: 3,
  /** Wait before the second attempt; doubled before each further one. */
  webhookRetryMs: 100,
} as const
