// A reaction's emoji, in the one form in which it is kept: what looks the same is the same text.
import { ChatError } from './values.js'

/** As the database has it. */
const MOST_BYTES = 32
/** Whether what precedes is to look as text or as an emoji: pickers and keyboards disagree on when it must be said. */
const SELECTORS = /[\uFE0E\uFE0F]/g
/** What looks as text unless U+FE0F follows. A skin tone does without; of digits keycaps are made, alone they are no emoji. */
const TEXT_BY_ITSELF = /[\d#*](?=\u20E3)|(?![\d#*]|\p{Emoji_Presentation})\p{Emoji}(?!\p{Emoji_Modifier})/gu
/** Nothing that could be seen. */
const INVISIBLE = /^[\s\p{C}]*$/u

const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text).length

/** Firefox has it since version 125; before, length alone is checked. @param {string} text */
const isOneCharacter = (text) => !Intl.Segmenter || [...new Intl.Segmenter().segment(text)].length === 1

/**
 * The fully-qualified form of Unicode Technical Standard 51; without any U+FE0F where that is too long, such as of a kiss with two
 * skin tones.
 *
 * @param {string | null} emoji
 */
export function normalised(emoji) {
  if (emoji === null) return null
  const bare = typeof emoji === 'string' ? emoji.normalize('NFC').replace(SELECTORS, '') : ''
  if (INVISIBLE.test(bare) || bytes(bare) > MOST_BYTES || !isOneCharacter(bare)) {
    throw new ChatError('invalid-options', 'react(id, emoji): emoji must be one emoji of at most 32 bytes, or null')
  }
  const full = bare.replace(TEXT_BY_ITSELF, '$&\uFE0F')
  return bytes(full) > MOST_BYTES ? bare : full
}
