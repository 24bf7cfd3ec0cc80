from lib.evaluation.tables import format_rows, mean_row


def test_rows_line_up():
    rows = {"single": {"Head": 81.44, "Mean": 7.0}, "a longer name": {"Head": 100.0, "Mean": float("nan")}}
    assert format_rows(rows).splitlines() == [
        "                    Head      Mean",
        "single              81.4       7.0",
        "a longer name      100.0       nan",
    ]


def test_mean_of_each_column():
    assert mean_row([{"Head": 1.0, "Mean": 4.0}, {"Head": 2.0, "Mean": 8.0}]) == {"Head": 1.5, "Mean": 6.0}
