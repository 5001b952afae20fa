import icon from './icon.svg';
import s from './layout.module.css';

/** Sign and name, at the beginning of the bar. */
export const Brand = () => (
  <span className={s['brand']}>
    <img src={icon} alt="" width="22" height="22" />
    <span className={s['brandName']}>Parley</span>
  </span>
);
