"""How many minor units make a major one, where it is not a hundred (ISO 4217)."""

_BY_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMALS = {currency: decimals for decimals, currencies in _BY_DECIMALS.items() for currency in currencies.split()}


def decimals(currency: str) -> int:
    """2 for the euro, 0 for the yen, 3 for the dinar."""
    return _DECIMALS.get(currency, 2)


def minor_units(currency: str) -> int:
    """100 for the euro, 1 for the yen, 1000 for the dinar."""
    return int(10 ** decimals(currency))
