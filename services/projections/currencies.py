"""How many minor units make a major one, where it is not a hundred (ISO 4217)."""

_BY_DIGITS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIVISORS: dict[str, int] = {currency: int(10**digits) for digits, names in _BY_DIGITS.items() for currency in names.split()}


def divisor(currency: str) -> int:
    """100 for the euro, 1 for the yen, 1000 for the dinar."""
    return _DIVISORS.get(currency, 100)
