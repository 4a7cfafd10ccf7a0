export * from 'chopped-chat'
export { default } from 'chopped-chat'
export * from 'chopped-chat/react'
