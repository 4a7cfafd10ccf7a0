import assert from 'node:assert/strict'
import { test } from 'node:test'
import { corsHeaders, isAllowedOrigin, parseOrigins } from '../lib/cors.js'

const allowed = parseOrigins(' http://localhost:5173/, https://app.example.com ,')

test('a list of origins may hold blanks, closing slashes and empty entries', () => {
  assert.deepEqual(allowed, ['http://localhost:5173', 'https://app.example.com'])
  assert.deepEqual(parseOrigins(undefined), [])
})

test('only exact origins are allowed', () => {
  assert.equal(isAllowedOrigin('https://app.example.com', allowed), true)
  for (const foreign of [
    'https://app.example.com.evil.test',
    'https://evil.test',
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://sub.app.example.com',
    'http://localhost',
    'null',
    '',
  ]) {
    assert.equal(isAllowedOrigin(foreign, allowed), false, foreign)
  }
  assert.equal(isAllowedOrigin('null', ['null']), false, 'null is nobody in particular, even when listed')
})

test('credentials are allowed to one named origin, and caches are told', () => {
  assert.deepEqual(corsHeaders('https://app.example.com'), {
    Vary: 'Origin',
    'Access-Control-Allow-Origin': 'https://app.example.com',
    'Access-Control-Allow-Credentials': 'true',
  })
  assert.deepEqual(corsHeaders(null), { Vary: 'Origin' })
})
