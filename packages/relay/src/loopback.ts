// What a relay without authentication may listen on and whom it lets in: this machine only. Pure. Read by relay.ts (the host) and doors.ts (the Origin).
// Rule: AU-0.

/** localhost, 127.0.0.0/8 and ::1, in the forms that a host option or a URL writes them. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name)
}

/** True for an absent Origin (no browser sends none) and for a page served from this machine, any port. A page that a foreign name serves is refused even
 *  when that name resolves to 127.0.0.1. */
export function isLoopbackOrigin(origin: string | undefined): boolean {
  if (origin === undefined) return true
  const url = URL.canParse(origin) ? new URL(origin) : null
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && isLoopbackHost(url.hostname)
}
