import { Menu as BaseMenu } from '@base-ui/react/menu';
import { type ReactNode, useState } from 'react';
import { classes } from './classes.js';
import s from './ui.module.css';

/** A button that opens a list of things to do. */
export function Menu({
  label,
  title,
  look = 'quiet',
  children,
}: {
  /** What the button shows. */
  readonly label: ReactNode;
  /** What it is called when `label` is a picture. */
  readonly title?: string;
  readonly look?: 'quiet' | 'plain';
  /** {@link MenuItem}, {@link MenuLink}, {@link MenuChoice}. */
  readonly children: ReactNode;
}) {
  const [place, setPlace] = useState<HTMLElement | null>(null);
  return (
    <BaseMenu.Root modal={false}>
      <BaseMenu.Trigger
        className={classes(s['button'], look === 'quiet' && s['quiet'], title !== undefined && s['icon'])}
        aria-label={title}
      >
        {label}
      </BaseMenu.Trigger>
      {/* Beside its button, so that it belongs to the same landmark. */}
      <span ref={setPlace} className={s['menuPlace']} />
      <BaseMenu.Portal container={place}>
        <BaseMenu.Positioner sideOffset={4} align="end">
          <BaseMenu.Popup className={s['menu']}>{children}</BaseMenu.Popup>
        </BaseMenu.Positioner>
      </BaseMenu.Portal>
    </BaseMenu.Root>
  );
}

export const MenuItem = ({ onChoose, children }: { readonly onChoose: () => void; readonly children: ReactNode }) => (
  <BaseMenu.Item className={s['menuItem']} onClick={onChoose}>
    {children}
  </BaseMenu.Item>
);

/** Leads to another page of the gateway, in a tab of its own. */
export const MenuLink = ({ href, children }: { readonly href: string; readonly children: ReactNode }) => (
  <BaseMenu.LinkItem className={s['menuItem']} href={href} target="_blank" rel="noreferrer">
    {children}
  </BaseMenu.LinkItem>
);

/** One of several, of which one is chosen. */
export function MenuChoice<Value extends string>({
  label,
  value,
  values,
  nameOf,
  onChoose,
}: {
  readonly label: string;
  readonly value: Value;
  readonly values: readonly Value[];
  readonly nameOf: (value: Value) => string;
  readonly onChoose: (value: Value) => void;
}) {
  return (
    <BaseMenu.Group>
      <BaseMenu.GroupLabel className={s['menuLabel']}>{label}</BaseMenu.GroupLabel>
      <BaseMenu.RadioGroup value={value} onValueChange={(chosen: Value) => onChoose(chosen)}>
        {values.map((each) => (
          <BaseMenu.RadioItem key={each} value={each} className={s['menuItem']}>
            {nameOf(each)}
            <BaseMenu.RadioItemIndicator aria-hidden>✓</BaseMenu.RadioItemIndicator>
          </BaseMenu.RadioItem>
        ))}
      </BaseMenu.RadioGroup>
    </BaseMenu.Group>
  );
}

export const MenuLine = () => <BaseMenu.Separator className={s['menuLine']} />;
