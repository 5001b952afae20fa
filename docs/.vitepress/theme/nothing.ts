/** In place of the theme's links to social networks, which fetch their icons from another host. */
export default { render: () => null };
