/** The table of header fields that every HTTP/2 connection knows (RFC 7541, appendix A). */

export type Field = readonly [name: string, value: string]

export const staticFields: readonly Field[] =
  `:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204|\
:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate|accept-language|\
accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|content-disposition|content-encoding|\
content-language|content-length|content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|\
if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|proxy-authenticate|\
proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|strict-transport-security|transfer-encoding|user-agent|\
vary|via|www-authenticate`
    .split('|')
    .map((line): Field => {
      const at = line.indexOf(' ')
      return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)]
    })

/** What an entry of the table of a connection costs beside its text (RFC 7541, 4.1). */
export const entryBytes = 32
/** Of that table, unless the peer says less. */
export const usualTableBytes = 4096
