import { messagesOf } from '../../i18n/messages.js';

export const pipelineMessages = messagesOf({ title: 'Pipeline' }, { title: 'Luồng xử lý' });
