"""Lines that nobody in his senses writes, and that a server must read all the same."""

from __future__ import annotations

from hypothesis import strategies as st

_PIECES = st.sampled_from(
    [
        *("all", "sameuser", "samerole", "replication", "kim", "+team", "/^k.*$", '"all"', '""'),
        *('"a b"', 'a"b c"d', '"a""b"', '"open', "a,b", "a, b", "a ,b", ",,", "a,", "\\", '"/x,y"'),
        *(
            "10.0.0.0/8",
            "10.0.0.0/33",
            "::/0",
            "127.1",
            "0x7f.1/8",
            "fe80::1%lo",
            "samenet",
            "h.example",
        ),
        *(
            "255.0.0.0",
            "255.0.255.0",
            "ffff::",
            "md5",
            "trust",
            "reject",
            "scram-sha-256",
            "nonsense",
        ),
        *(
            "clientcert=verify-full",
            "map=x",
            "=",
            "a=b=c",
            "\x0b",
            "\x0c",
            "\u3000",
            "가,나",
            "é" * 70,
        ),
        *(
            "local",
            "host",
            "hostssl",
            "hostnossl",
            "hostgssenc",
            "hostnogssenc",
            '"host"',
            "include",
        ),
    ]
)
_WILD = st.text(
    st.characters(codec="utf-8", exclude_characters="\n\r\0@#"), min_size=1, max_size=12
)
_BLANKS = st.sampled_from([" ", "\t", "  ", ", ", "\t ,", "\r "])

LINE = st.lists(st.one_of(_PIECES, _WILD), min_size=1, max_size=8).flatmap(
    lambda parts: st.lists(_BLANKS, min_size=len(parts), max_size=len(parts)).map(
        lambda gaps: "".join(one for pair in zip(parts, gaps, strict=True) for one in pair)
    )
)

_BLANK = st.sampled_from([" ", "\t", "   ", "\r "])
_NAME = st.sampled_from(
    [
        *("all", "sameuser", "samerole", "replication", "kim", "+team", "/^k.*$", '"all"', '"a b"'),
        *(
            'a"b c"d',
            '"a""b"',
            '"open all 10.0.0.0/8 md5',
            '"/x,y"',
            "\x0bx",
            "\u3000",
            "가나",
            "é" * 40,
        ),
        *("a\\b", "'", "''", "a=b", '"a#b"', "$x", "%s", "../x", '"@x"', '"+x"', "a/b", "\x1b[2J"),
    ]
)
_NAMES = st.lists(_NAME, min_size=1, max_size=3).flatmap(
    lambda names: st.sampled_from([",", ", ", ",,", ",\t,"]).map(lambda comma: comma.join(names))
)
_ADDRESS = st.sampled_from(
    [
        *("all", '"all"', "samehost", "samenet", "10.0.0.0/8", "0.0.0.0/0", "::/0", "::1/128"),
        *("127.1 255.0.0.0", "0x7f.1/8", "010.0.0.1/32", "10.0.0.0 255.0.255.0", "10.0.0.0 ::"),
        *(
            "fe80::%lo/10",
            "::ffff:10.0.0.1/120",
            "h.example",
            ".example",
            "10.0.0.0/33",
            "10.0.0.0",
        ),
        *("10.0.0.0/ 8", "10.0.0.0/08", "10.0.0.0/+8", "300.1.1.1/8", "1.2.3/8", "::1 ffff::"),
    ]
)
_END = st.sampled_from(
    ["md5", "trust", "reject # x", 'scram-sha-256 "a"', '"md5"', "md5 map=x", "nonsense"]
)
_NEAR = st.builds(
    lambda kind, databases, roles, address, end, gaps: "".join(
        f"{part}{gap}"
        for part, gap in zip(
            (kind, databases, roles, *([] if kind == "local" else [address]), end),
            gaps,
            strict=False,
        )
    ),
    st.sampled_from(["local", "host", "hostnossl", '"host"', "hostssl", "hostnogssenc"]),
    _NAMES,
    _NAMES,
    _ADDRESS,
    _END,
    st.lists(_BLANK, min_size=5, max_size=5),
)
HOSTILE = st.one_of(_NEAR, _NEAR, _NEAR, LINE)

ANYTHING = st.text(max_size=300) | st.binary(max_size=300).map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)
