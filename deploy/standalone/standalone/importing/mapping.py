"""Which column means what: as told, else by obvious names."""

from collections.abc import Mapping, Sequence

from standalone.errors import Refusal

INTERACTION_FIELDS = {
    "source_id": ("source_id", "invoice_no", "invoiceno", "invoice", "order_id", "orderid", "order_no", "basket_id",
                  "transaction_id", "receipt", "receipt_no", "id"),
    "customer": ("customer", "customer_id", "customerid", "external_id", "household_id", "household_key", "client_id",
                 "member_id", "user_id"),
    "occurred_at": ("occurred_at", "transaction_timestamp", "timestamp", "invoice_date", "invoicedate", "order_date",
                    "datetime", "date", "time", "day"),
    "amount": ("amount", "total", "total_amount", "revenue", "sales", "value"),
    "currency": ("currency",),
    "kind": ("kind",),
    "channel": ("channel",),
    "direction": ("direction",),
    "cost_to_serve": ("cost_to_serve",),
    "lines.product": ("product", "product_id", "productid", "stock_code", "stockcode", "sku", "item", "item_id", "upc"),
    "lines.category": ("category", "product_category", "department"),
    "lines.quantity": ("quantity", "qty", "units"),
    "lines.unit_price": ("unit_price", "unitprice", "price"),
    "lines.amount": ("line_amount", "line_total", "sales_value", "net_amount"),
    "lines.discount": ("discount", "retail_disc"),
    "lines.unit_cost": ("unit_cost", "cost"),
}  # fmt: skip
CUSTOMER_FIELDS = {
    "external_id": ("external_id", "customer_id", "customerid", "customer", "household_id", "household_key",
                    "client_id", "member_id", "user_id", "id"),
    "name": ("name", "full_name", "customer_name"),
    "kind": ("kind",),
    "email": ("email", "e_mail", "email_address", "mail"),
    "phone": ("phone", "phone_number", "telephone", "mobile"),
    "country": ("country", "country_code"),
    "time_zone": ("time_zone", "timezone"),
}  # fmt: skip
_FREE_FIELDS = ("properties.", "attributes.")


def pairs(words: Sequence[str], option: str) -> dict[str, str]:
    """`FIELD=COLUMN` words as a mapping. Raises Refusal."""
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise Refusal(f"{option} {word} cannot be read: write {option} FIELD=VALUE.")
        found[name.strip()] = value.strip()
    return found


def resolve(
    known: Mapping[str, Sequence[str]], columns: Sequence[str], told: Mapping[str, str], constants: Mapping[str, str]
) -> dict[str, str]:
    """The column of each field: as told, else by name. Raises Refusal for a field or a column that does not exist."""
    for name in (*told, *constants):
        if name not in known and not name.startswith(_FREE_FIELDS):
            raise Refusal(f"There is no field {name}. Fields are: {', '.join(known)}.")
    for name, column in told.items():
        if column not in columns and not (name.endswith(".*") and column == "*"):
            raise Refusal(f"There is no column {column} (for {name}). Columns are: {', '.join(columns)}.")
    found = {name: column for name, column in told.items() if not name.endswith(".*")}
    by_name = {plain(column): column for column in reversed(columns)}
    taken = set(found.values())
    for name, obvious in known.items():
        if name in found or name in constants:
            continue
        free = [by_name[word] for word in obvious if word in by_name and by_name[word] not in taken]
        if free:
            found[name] = free[0]
            taken.add(free[0])
    for name in told:
        if name.endswith(".*"):
            found |= {f"{name[:-1]}{column}": column for column in columns if column not in taken}
    return found


def require(
    found: Mapping[str, str], constants: Mapping[str, str], *, names: Sequence[str], columns: Sequence[str]
) -> None:
    """Refuse a file that lacks what every row needs."""
    for name in names:
        if name not in found and name not in constants:
            raise Refusal(f"No column is {name}: name it with --map {name}=COLUMN. Columns are: {', '.join(columns)}.")


def plain(name: str) -> str:
    """A column's name as the obvious names are written."""
    return name.strip().lower().replace(" ", "_").replace("-", "_")
