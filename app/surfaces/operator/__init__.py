"""The bus company's portal: offers and duties, fleet and prices, calendar, drivers."""
