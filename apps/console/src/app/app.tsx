import { CSPProvider } from '@base-ui/react/csp-provider';
import { lazy, Suspense } from 'react';
import { Redirect, Route, Router, Switch, useLocation } from 'wouter';
import { useHashLocation } from 'wouter/use-hash-location';
import { useMessages } from '../i18n/messages.js';
import { useStore } from '../shared/store.js';
import { Notice } from '../shared/ui/notice.js';
import { ErrorBoundary } from './error-boundary.js';
import { Layout } from './layout.js';
import s from './layout.module.css';
import { appMessages } from './messages.js';
import { isAdmin, session, type Session } from './session.js';
import { SignIn } from './sign-in.js';

// Each room is loaded when it is opened.
const ChatRoom = lazy(() => import('../rooms/chat/chat-room.js'));
const PipelineRoom = lazy(() => import('../rooms/pipeline/pipeline-room.js'));
const RepairRoom = lazy(() => import('../rooms/repair/repair-room.js'));

/** The whole console. Rooms are addresses behind `#`, so that the gateway serves one page. */
export function App() {
  const current = useStore(session);
  return (
    // Base UI writes no `<style>` into the page: the policy of the gateway allows none.
    <CSPProvider disableStyleElements>
      {/* oxlint-disable-next-line react/hooks -- the way in which wouter is told how addresses look */}
      <Router hook={useHashLocation}>{current === undefined ? <SignIn /> : <Rooms key={current.token} session={current} />}</Router>
    </CSPProvider>
  );
}

function Rooms({ session }: { readonly session: Session }) {
  const words = useMessages(appMessages);
  const [location] = useLocation();
  const needsAdmin = (
    <div className={s['page']}>
      <Notice>{words.needsAdmin}</Notice>
    </div>
  );
  return (
    <Layout session={session}>
      {/* Another room begins anew. */}
      <ErrorBoundary key={location.split('/')[1]}>
        <Suspense fallback={<p className={s['loading']}>{words.loading}</p>}>
          <Switch>
            <Route path="/chat/*?">
              <ChatRoom />
            </Route>
            <Route path="/pipeline/*?">{isAdmin(session) ? <PipelineRoom /> : needsAdmin}</Route>
            <Route path="/repair/*?">{isAdmin(session) ? <RepairRoom /> : needsAdmin}</Route>
            <Route>
              <Redirect to="/chat" replace />
            </Route>
          </Switch>
        </Suspense>
      </ErrorBoundary>
    </Layout>
  );
}
