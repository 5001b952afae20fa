import { Field as BaseField } from '@base-ui/react/field';
import type { ReactNode } from 'react';
import s from './ui.module.css';

/** A labelled control: its hint and its error belong to it for screen readers too. */
export function Field({
  label,
  hint,
  error,
  name,
  children,
}: {
  readonly label: string;
  readonly hint?: string;
  readonly error?: string | undefined;
  readonly name?: string;
  /** An {@link Input} or a {@link TextArea}. */
  readonly children: ReactNode;
}) {
  return (
    <BaseField.Root className={s['field']} invalid={error !== undefined} {...(name === undefined ? {} : { name })}>
      <BaseField.Label className={s['label']}>{label}</BaseField.Label>
      {children}
      {hint !== undefined && <BaseField.Description className={s['hint']}>{hint}</BaseField.Description>}
      {error !== undefined && (
        <BaseField.Error className={s['notice']} data-tone="bad" match>
          {error}
        </BaseField.Error>
      )}
    </BaseField.Root>
  );
}

export const Input = (props: BaseField.Control.Props) => <BaseField.Control {...props} className={s['input']} />;

export const TextArea = ({ rows = 3, ...props }: BaseField.Control.Props & { readonly rows?: number }) => (
  <BaseField.Control {...props} className={s['input']} render={<textarea rows={rows} />} />
);
