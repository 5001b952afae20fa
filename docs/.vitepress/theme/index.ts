// Without the theme's own font: the site looks like the system that it is read on, and loads less.
import DefaultTheme from 'vitepress/theme-without-fonts';
import { h } from 'vue';
import flow from './flow.svg?raw';
import './site.css';

export default {
  ...DefaultTheme,
  Layout: () => h(DefaultTheme.Layout, null, { 'home-hero-image': () => h('div', { class: 'flow', innerHTML: flow }) }),
};
