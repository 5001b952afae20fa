import { Component, type ReactNode } from 'react';
import { useMessages } from '../i18n/messages.js';
import { Button } from '../shared/ui/button.js';
import { Notice } from '../shared/ui/notice.js';
import s from './layout.module.css';
import { appMessages } from './messages.js';

/** A mistake in one room leaves the others usable, and says so instead of showing an empty page. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, { readonly hasFailed: boolean }> {
  override readonly state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  override render() {
    return this.state.hasFailed ? <Broken /> : this.props.children;
  }
}

function Broken() {
  const words = useMessages(appMessages);
  return (
    <div className={s['page']}>
      <Notice tone="bad">{words.broken}</Notice>
      <div>
        <Button onClick={() => location.reload()}>{words.reload}</Button>
      </div>
    </div>
  );
}
