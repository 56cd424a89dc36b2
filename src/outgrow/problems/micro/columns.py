"""Column arithmetic, written out digit by digit from the right: what several fields' solutions are made of."""


def add_columns(a: int, b: int) -> str:
    """Return a + b, each column with its carry: add_columns(47, 85) == "7+5+0=12,4+8+1=13"."""
    columns, carry = [], 0
    for x, y in zip(*_digit_pairs(a, b), strict=True):
        total = x + y + carry
        columns.append(f"{x}+{y}+{carry}={total}")
        carry = total // 10
    return ",".join(columns)


def subtract_columns(a: int, b: int) -> str:
    """Return a − b for a ≥ b, a borrowed ten marked with ': subtract_columns(42, 17) == "2-7-0=5',4-1-1=2"."""
    columns, borrow = [], 0
    for x, y in zip(*_digit_pairs(a, b), strict=True):
        digit = x - y - borrow
        columns.append(f"{x}-{y}-{borrow}={digit % 10}{chr(39) if digit < 0 else ''}")
        borrow = int(digit < 0)
    return ",".join(columns)


def multiply_columns(a: int, b: int) -> str:
    """Return a · b for a single digit b, each column with its carry: multiply_columns(47, 6) == "7*6+0=42,4*6+4=28"."""
    columns, carry = [], 0
    for x in digits_upward(a, len(str(a))):
        total = x * b + carry
        columns.append(f"{x}*{b}+{carry}={total}")
        carry = total // 10
    return ",".join(columns)


def carries(a: int, b: int) -> int:
    """Return the number of columns of a + b that carry: carries(47, 85) == 2."""
    count = carry = 0
    for x, y in zip(*_digit_pairs(a, b), strict=True):
        carry = (x + y + carry) // 10
        count += carry
    return count


def digits_upward(value: int, width: int) -> list[int]:
    """Return the lowest `width` decimal digits, lowest first: digits_upward(347, 4) == [7, 4, 3, 0]."""
    return [value // 10**place % 10 for place in range(width)]


def _digit_pairs(a: int, b: int) -> tuple[list[int], list[int]]:
    width = len(str(max(a, b)))
    return digits_upward(a, width), digits_upward(b, width)
