import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mongoIdProblem } from '../lib/mongo-id.js'

test('ids that can stand in a thread id are accepted', () => {
  for (const id of ['665f1c2ab7d4e09a31c0a001', 'a', 'a_b', 'ünï-cödé', 'a'.repeat(119), 'é'.repeat(59)]) {
    assert.equal(mongoIdProblem(id), null, id)
  }
})

test('ids that would make a thread id ambiguous or too long are refused', () => {
  for (const id of [undefined, null, 7, {}, '', 'a__b', '_a', 'a_', '_', 'a\u0000b', 'a\nb', 'a\u0085b', '\ud800', 'a'.repeat(120), 'é'.repeat(60)]) {
    assert.equal(typeof mongoIdProblem(id), 'string', JSON.stringify(id))
  }
})
