import type { Chat } from 'chopped-chat/inbox/react'
import { type FormEvent, type KeyboardEvent, type RefObject, useLayoutEffect, useState } from 'react'
import type { Person } from './backend.ts'
import { ComposerSubject } from './ComposerSubject.tsx'
import { keepDraft, readDraft } from './drafts.ts'
import { errorText } from './error-text.ts'
import type { Composing } from './use-composing.ts'
import './styles/composer.css'

/** In code points, as PostgreSQL's char_length counts. */
const LIMIT = 4000
const COUNTDOWN_FROM = 3600

interface Props {
  ref: RefObject<HTMLTextAreaElement | null>
  myMongoId: string
  other: Person
  disabled: boolean
  chat: Pick<Chat, 'messages' | 'send' | 'edit'>
  composing: Composing
}

/** Where a message is typed. What is typed stays when this is unmounted. */
export function Composer({ ref, myMongoId, other, disabled, chat, composing }: Props) {
  const draftOf = { myMongoId, for: other.mongo_user_id }
  const [draft, setDraft] = useState(() => readDraft(draftOf))
  const [problem, setProblem] = useState<string>()
  const { edit, replyTo } = composing
  const kind = edit !== undefined ? 'edit' : replyTo !== undefined ? 'reply' : undefined
  const subject = kind && chat.messages.find(({ id, seq }) => (edit !== undefined ? id === edit.id : seq === replyTo))
  const text = edit?.text ?? draft
  const length = [...text].length
  const canSend = !disabled && length <= LIMIT && text.trim() !== '' && (edit === undefined || subject?.canEdit === true)

  // Whoever chose to edit or reply wants to type.
  useLayoutEffect(() => {
    const field = ref.current
    if (field === null || (edit?.id ?? replyTo) === undefined) return
    field.focus()
    field.setSelectionRange(field.value.length, field.value.length)
  }, [ref, edit?.id, replyTo])

  const type = (typed: string) => {
    if (edit !== undefined) return composing.type(typed)
    setDraft(typed)
    keepDraft(draftOf, typed)
  }

  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    if (!canSend) return
    try {
      if (edit === undefined) {
        chat.send(text, { replyTo })
        type('')
      } else if (text !== subject?.body) chat.edit(edit.id, text)
      composing.end()
      setProblem(undefined)
    } catch (error) {
      setProblem(errorText(error))
    }
  }

  const act = (event: KeyboardEvent) => {
    const { key, shiftKey, altKey, ctrlKey, metaKey, nativeEvent } = event
    // Enter also ends a composition (Japanese, Chinese …): that one must not send.
    if (nativeEvent.isComposing || shiftKey) return
    if (key === 'Enter') {
      event.preventDefault()
      submit()
    } else if (key === 'ArrowUp' && text === '' && kind === undefined && !altKey && !ctrlKey && !metaKey) {
      const last = chat.messages.findLast(({ sender, canEdit }) => sender === 'me' && canEdit)
      if (last === undefined) return
      event.preventDefault()
      composing.startEdit(last)
    }
  }

  const cancel = () => {
    composing.end()
    ref.current?.focus()
  }

  const label = kind === 'edit' ? 'Edit your message' : `Message ${other.name}`
  return (
    <form className="composer" onSubmit={submit}>
      {kind !== undefined && <ComposerSubject id="composer-subject" kind={kind} message={subject} otherName={other.name} onCancel={cancel} />}
      <textarea
        ref={ref}
        rows={1}
        value={text}
        disabled={disabled}
        placeholder={label}
        aria-label={label}
        aria-describedby={kind === undefined ? 'composer-note' : 'composer-subject composer-note'}
        enterKeyHint="send"
        dir="auto"
        onChange={(event) => type(event.target.value)}
        onKeyDown={act}
        data-testid="composer"
      />
      <button type="submit" disabled={!canSend} aria-label={kind === 'edit' ? 'Save' : 'Send'} data-testid="send">
        <svg viewBox="0 0 20 20" aria-hidden="true">
          <path d={kind === 'edit' ? 'm4.5 10.5 3.8 3.8 7.2-8' : 'M10 16V4.5M5 9.2l5-4.9 5 4.9'} />
        </svg>
      </button>
      <p id="composer-note" className="note" role="status" data-over={length > LIMIT || undefined}>
        {problem ?? (length >= COUNTDOWN_FROM ? `${LIMIT - length} characters left` : '')}
      </p>
    </form>
  )
}
