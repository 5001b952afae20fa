import { messagesOf } from '../../i18n/messages.js';

export const chatMessages = messagesOf({ title: 'Chat' }, { title: 'Trò chuyện' });
