import type { ChatMessage } from 'chopped-chat/inbox'
import { useState } from 'react'
import { keepDraft, readDraft } from './drafts.ts'

/** What the composer is at besides a new message. An edit comes first; whatever it interrupts is there again after it. */
export interface Composing {
  /** The number of the message that is replied to. */
  replyTo: number | undefined
  /** The message that is edited, and what is typed for it. */
  edit: { id: string; text: string } | undefined
  reply: (message: ChatMessage) => void
  startEdit: (message: ChatMessage) => void
  type: (text: string) => void
  /** Ends the edit, else the reply; false where there is neither. */
  end: () => boolean
}

export function useComposing(myMongoId: string): Composing {
  const [replyTo, setReplyTo] = useState<number>()
  const [edit, setEdit] = useState<{ id: string; text: string }>()
  const draftOf = (id: string) => ({ myMongoId, for: id })

  return {
    replyTo,
    edit,
    reply({ seq }) {
      setEdit(undefined)
      setReplyTo(seq ?? undefined)
    },
    startEdit({ id, body, change }) {
      // What was left unfinished, or was refused, is taken up again.
      const refused = change?.kind === 'edit' && change.status === 'error' ? change.body : null
      setEdit({ id, text: readDraft(draftOf(id)) || (refused ?? body) })
    },
    type(text) {
      if (edit === undefined) return
      setEdit({ ...edit, text })
      keepDraft(draftOf(edit.id), text)
    },
    end() {
      if (edit !== undefined) {
        keepDraft(draftOf(edit.id), '')
        setEdit(undefined)
      } else if (replyTo !== undefined) setReplyTo(undefined)
      else return false
      return true
    },
  }
}
