import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { mongoIdProblem } from '../lib/mongo-id.js'

// The engine is held to the same table, and the SQL to the engine.
const table: { good: string[]; bad: string[] } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../../tests/mongo-ids.json'), 'utf8'),
)

test('ids that can stand in a thread id are accepted', () => {
  for (const id of table.good) assert.equal(mongoIdProblem(id), null, id)
})

test('ids that would make a thread id ambiguous or too long are refused, and so is what is no text', () => {
  for (const id of [...table.bad, undefined, null, 7, {}, '\ud800']) {
    assert.equal(typeof mongoIdProblem(id), 'string', JSON.stringify(id))
  }
})
