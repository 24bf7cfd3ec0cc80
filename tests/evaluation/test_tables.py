from lib.evaluation.tables import format_rows, joint_columns, mean_row


def test_rows_line_up():
    rows = {"single": {"Head": 81.44, "Mean": 7.0}, "a longer name": {"Head": 100.0, "Mean": float("nan")}}
    assert format_rows(rows).splitlines() == [
        "                    Head      Mean",
        "single              81.4       7.0",
        "a longer name      100.0       nan",
    ]


def test_long_names_of_columns_stay_apart():
    assert format_rows({"PCK": {"AUC": 1.0, "AUC@joints": 2.0}}).split("\n")[0].split() == ["AUC", "AUC@joints"]


def test_mean_of_each_column():
    assert mean_row([{"Head": 1.0, "Mean": 4.0}, {"Head": 2.0, "Mean": 8.0}]) == {"Head": 1.5, "Mean": 6.0}


def test_columns_are_the_means_of_their_joints():
    columns = joint_columns(
        {"a": 1.0, "b": 4.0, "c": float("nan")}, {"Both": ("a", "b"), "One": ("b",), "C": ("a", "c")}
    )
    assert (columns["Both"], columns["One"]) == (2.5, 4.0)
    assert columns["C"] != columns["C"]
