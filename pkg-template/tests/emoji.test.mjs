import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fresh } from './bundle.mjs'

const { normalised } = await fresh('emoji.js')
/** What Unicode recommends for interchange, in its fully-qualified form. */
const RECOMMENDED = /^\p{RGI_Emoji}$/v

test('an emoji with and without U+FE0F is the same one, in its fully-qualified form', () => {
  const all = Array.from({ length: 0x20000 }, (_, code) => String.fromCodePoint(code)).filter((one) => RECOMMENDED.test(one) || RECOMMENDED.test(`${one}\uFE0F`))
  assert.ok(all.length > 1000, `${all.length} emoji`)
  for (const emoji of all) {
    assert.match(normalised(emoji), RECOMMENDED)
    assert.equal(normalised(`${emoji}\uFE0F`), normalised(emoji))
    assert.equal(normalised(`${emoji}\uFE0E`), normalised(emoji))
  }
})

for (const [what, given, kept] of [
  ['a heart', '\u2764', '\u2764\uFE0F'],
  ['a thumb that needs none', '👍\uFE0F', '👍'],
  ['a hand with a skin tone', '\u270C\uFE0F\u{1F3FD}', '\u270C\u{1F3FD}'],
  ['a heart on fire', '\u2764\u200D\u{1F525}', '\u2764\uFE0F\u200D\u{1F525}'],
  ['a detective', '\u{1F575}\u200D\u2640', '\u{1F575}\uFE0F\u200D\u2640\uFE0F'],
  ['a keycap', '1\u20E3', '1\uFE0F\u20E3'],
  ['a family', '👨‍👩‍👧‍👦', '👨‍👩‍👧‍👦'],
  ['a flag of tags', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
  ['a flag of two letters', '🇩🇪', '🇩🇪'],
  ['a letter, composed', 'e\u0301', '\u00E9'],
  ['nothing', null, null],
  // 35 bytes with its U+FE0F.
  ['the longest one', '👩🏻‍❤️‍💋‍👨🏿', '👩🏻‍❤‍💋‍👨🏿'],
]) {
  test(`${what} is kept in one form`, () => {
    assert.equal(normalised(given), kept)
    assert.equal(normalised(kept), kept)
  })
}

test('what is no single emoji is refused', () => {
  for (const wrong of ['', ' ', '\n', '\u200D', '\uFE0F', '\uD83D', '👍👍', '👍 ', '+1', 'yes', `e${'\u0301'.repeat(40)}`, undefined, 5, {}, ['👍']]) {
    assert.throws(() => normalised(wrong), { code: 'invalid-options', message: /react\(id, emoji\)/ }, JSON.stringify(wrong))
  }
})
