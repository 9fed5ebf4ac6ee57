import { expect, test } from 'vitest'
import { routeUpgrade, type Policy } from '../src/doors.ts'
import { isLoopbackHost, isLoopbackOrigin } from '../src/loopback.ts'

const policy: Policy = { origins: 'loopback', hocuspocusPath: null, ySweet: false, pathPrefix: '', spacePrefix: null }
const upgrade = { target: '/room', subprotocols: undefined, origin: undefined }

test('[AU-0] only names of this machine count as loopback', () => {
  for (const host of ['localhost', 'LOCALHOST', '127.0.0.1', '127.8.9.1', '::1', '[::1]']) expect(isLoopbackHost(host), host).toBe(true)
  for (const host of ['0.0.0.0', '::', '192.168.1.2', '127.evil.example', 'localhost.evil.example', '1127.0.0.1', ''])
    expect(isLoopbackHost(host), host).toBe(false)
})

test('[AU-0] a relay without authentication takes a loopback Origin of any port, or none', () => {
  for (const origin of [
    undefined,
    'http://localhost',
    'http://localhost:5173',
    'https://127.0.0.1:8443',
    'http://[::1]:3000',
    'http://127.1.2.3',
  ])
    expect(isLoopbackOrigin(origin), origin).toBe(true)
  for (const origin of [
    'null',
    'file://',
    '',
    'https://evil.example',
    'http://localhost.evil.example',
    'http://127.0.0.1.evil.example',
    'chrome-extension://abc',
    'http://[::2]',
    '*',
  ]) {
    expect(isLoopbackOrigin(origin), origin).toBe(false)
    expect(routeUpgrade({ ...upgrade, origin }, policy), origin).toMatchObject({ door: 'none', status: 403 })
  }
  expect(routeUpgrade({ ...upgrade, origin: 'https://notes.example' }, { ...policy, origins: 'any' })).toMatchObject({ door: 'room' })
})

test('[YW-1] subprotocol syncline.1 is the native door, another path is a room, and / is refused until it has a door', () => {
  expect(routeUpgrade({ ...upgrade, subprotocols: 'syncline.1' }, policy)).toEqual({ door: 'native', space: null })
  expect(routeUpgrade({ ...upgrade, target: '/', subprotocols: 'other, syncline.1' }, policy)).toEqual({ door: 'native', space: null })
  expect(routeUpgrade({ ...upgrade, subprotocols: 'other' }, policy)).toEqual({ door: 'room', space: 'default', doc: 'room' })
  expect(routeUpgrade({ ...upgrade, target: '/' }, policy)).toMatchObject({ door: 'none', status: 400 })
  expect(routeUpgrade({ ...upgrade, target: '/?token=1' }, policy)).toMatchObject({ door: 'none', status: 400 })
  expect(routeUpgrade({ ...upgrade, target: '/' }, { ...policy, hocuspocusPath: '/' })).toEqual({ door: 'hocuspocus', space: 'default' })
  expect(routeUpgrade({ ...upgrade, target: '/a%00' }, policy)).toMatchObject({ door: 'none', status: 400 })
})
