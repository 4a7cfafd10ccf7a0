export { ChatError } from './index.js'
