import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { type Observable, throwError } from 'rxjs';

/**
 * Passes a handler's error to the bus, which decides by it between retry, dead letter and pause. Without this filter Nest replaces every error
 * by `{ status: 'error', message: 'Internal server error' }`.
 *
 *     app.connectMicroservice({ strategy: rabbitServer }, { deferInitialization: true }).useGlobalFilters(new OriginalErrors());
 *
 * Deferred: Nest otherwise binds the handlers at once and ignores filters added later.
 */
@Catch()
export class OriginalErrors implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
