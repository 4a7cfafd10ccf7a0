import { type FormEvent, type KeyboardEvent, type Ref, useState } from 'react'
import { keepDraft, type Pair, readDraft } from './drafts.ts'
import { errorText } from './error-text.ts'

/** In code points, as PostgreSQL's char_length counts. */
const LIMIT = 4000
const COUNTDOWN_FROM = 3600

interface Props {
  ref: Ref<HTMLTextAreaElement>
  /** Whose draft it is, and for whom: it stays when this is unmounted. */
  pair: Pair
  otherName: string
  disabled: boolean
  send: (body: string) => string
}

export function Composer({ ref, pair, otherName, disabled, send }: Props) {
  const [draft, setDraft] = useState(() => readDraft(pair))
  const [problem, setProblem] = useState<string>()
  const length = [...draft].length
  const canSend = !disabled && length <= LIMIT && draft.trim() !== ''

  const type = (text: string) => {
    setDraft(text)
    keepDraft(pair, text)
  }

  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    if (!canSend) return
    try {
      send(draft)
      type('')
      setProblem(undefined)
    } catch (error) {
      setProblem(errorText(error))
    }
  }

  const sendOnEnter = (event: KeyboardEvent) => {
    // Enter also ends a composition (Japanese, Chinese …): that one must not send.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    submit()
  }

  return (
    <form className="composer" onSubmit={submit}>
      <textarea
        ref={ref}
        rows={1}
        value={draft}
        disabled={disabled}
        placeholder={`Message ${otherName}`}
        aria-label={`Message ${otherName}`}
        aria-describedby="composer-note"
        enterKeyHint="send"
        dir="auto"
        onChange={(event) => type(event.target.value)}
        onKeyDown={sendOnEnter}
        data-testid="composer"
      />
      <button type="submit" disabled={!canSend} aria-label="Send" data-testid="send">
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <path d="M10 16V4.5M5 9.2l5-4.9 5 4.9" />
        </svg>
      </button>
      <p id="composer-note" className="note" role="status" data-over={length > LIMIT || undefined}>
        {problem ?? (length >= COUNTDOWN_FROM ? `${LIMIT - length} characters left` : '')}
      </p>
    </form>
  )
}
