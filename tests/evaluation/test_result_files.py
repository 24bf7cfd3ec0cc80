import json

import pytest

from lib.evaluation.result_files import check_result, find_result
from lib.utils.errors import InputError


def test_a_result_is_found_by_the_command_that_it_records(tmp_path):
    for name, command in (("single", "python test.py a"), ("aggregate", "python test.py b"), ("old", "")):
        (tmp_path / f"result-{name}.json").write_text(json.dumps({"command": command}))
    assert find_result(tmp_path, "python test.py b") == tmp_path / "result-aggregate.json"
    with pytest.raises(InputError, match="0 results record the command"):
        find_result(tmp_path, "python test.py c")
    (tmp_path / "result-twice.json").write_text(json.dumps({"command": "python test.py b"}))
    with pytest.raises(InputError, match="2 results"):
        find_result(tmp_path, "python test.py b")


@pytest.mark.parametrize("content", [b"somebody's own\n", b'{"images": []}', b"[]"])
def test_only_result_files_are_replaced(tmp_path, content):
    path = tmp_path / "result-single.json"
    check_result(path)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"result-single\.json: not a result file; move it elsewhere"):
        check_result(path)
    path.write_text('{"table": {}, "config": "SEED: 0"}')
    check_result(path)
