import type { ChatMessage } from 'chopped-chat/inbox'
import { goneText } from './gone-text.ts'
import './styles/quote.css'

/** More than the two lines that are shown ever hold. */
const LONGEST = 200

interface Props {
  author: string
  /** What is quoted; null while it is not known. */
  original: Pick<ChatMessage, 'deleted' | 'body'> | null
}

/** Whose words are replied to, and how they begin. */
export function Quote({ author, original }: Props) {
  const gone = original === null ? '…' : goneText(original)
  return (
    <>
      <span className="quote-author">{author}</span>
      <span className="quote-text" data-gone={gone !== undefined || undefined} dir="auto">
        {gone ?? [...(original?.body ?? '')].slice(0, LONGEST).join('')}
      </span>
    </>
  )
}
