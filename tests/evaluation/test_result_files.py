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


@pytest.mark.parametrize("content", [b"somebody's own\n", b'{"images": []}', b"[]", b'{"config": "damaged: ["}'])
def test_only_result_files_are_replaced(tmp_path, content):
    path = tmp_path / "result-single.json"
    check_result(path, "SEED: 0")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"result-single\.json: not a result file; move it elsewhere"):
        check_result(path, "SEED: 0")


def test_the_replacement_of_a_result_of_other_settings_is_logged(tmp_path, caplog):
    path = tmp_path / "result-single.json"
    path.write_text('{"table": {}, "config": "TEST: {USE_GT_BBOX: true}\\nWORKERS: 1"}')
    check_result(path, "TEST: {USE_GT_BBOX: true}\nWORKERS: 2")
    assert not caplog.messages
    check_result(path, "TEST: {USE_GT_BBOX: false}")
    (line,) = caplog.messages
    assert "a result of other settings: TEST.USE_GT_BBOX was True and is False; it will be replaced" in line
