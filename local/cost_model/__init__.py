"""What Heimdex costs: prices and work as data, a model over them, and the page it makes.

`prices.toml` are list prices with source and date, `work.toml` what an indexed minute takes,
`month.toml` what a thousand people a day do. `docs/cost.md` is made of them, and of nothing else.
"""
