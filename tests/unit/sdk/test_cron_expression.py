"""Which cron expressions definitions take, and what is said of the others."""

import pytest
from podhatch.api.cron_expression import checked_cron, for_croniter


@pytest.mark.parametrize(
    ("expression", "checked"),
    [
        ("* * * * *", "* * * * *"),
        ("  */5  0-6 1,15 JAN-Mar mon-FRI ", "*/5 0-6 1,15 JAN-Mar mon-FRI"),
        ("1-10/3 5/6 ? * 0", "1-10/3 5/6 ? * 0"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 31 2 MON", "0 0 31 2 MON"),
        ("@Daily", "@daily"),
        ("@midnight", "@midnight"),
    ],
)
def test_a_valid_expression_is_kept(expression: str, checked: str) -> None:
    assert checked_cron(expression) == checked


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "the cron expression is empty"),
        ("* * * *", "expected five fields (minute, hour, day of month, month, day of week), got 4"),
        ("0 * * * * *", "CronJobs do not support seconds"),
        ("* * * * * * *", "day of week), got 7"),
        ("@every 1h", "expected one of @hourly, @daily,"),
        ("@reboot", "expected one of @hourly, @daily,"),
        ("CRON_TZ=UTC * * * * *", "set time_zone"),
        ("60 * * * *", "minute: expected 0 to 59, got 60"),
        ("* * 0 * *", "day of month: expected 1 to 31, got 0"),
        ("* * * * 7", "day of week: expected 0 to 6, got 7; Sunday is 0"),
        ("* * * * L", "day of week: expected a number or one of SUN, MON,"),
        ("* * * MAI *", "month: expected a number or one of JAN, FEB,"),
        ("? * * * *", "minute: expected a number, got '?'"),
        ("5-1 * * * *", "minute '5-1': the range ends before it begins"),
        ("*/0 * * * *", "minute '*/0': expected a step of 1 or more, got '0'"),
        ("1,,2 * * * *", "minute: expected a number, got ''"),
        ("* * * * 1-", "day of week: expected a number or one of SUN"),
        ("0 0 31 2,4 *", "there is no day 31 in month 2,4"),
    ],
)
def test_an_invalid_expression_is_refused(expression: str, words: str) -> None:
    with pytest.raises(ValueError, match="cron") as refusal:
        checked_cron(expression)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("expression", "rewritten"),
    [
        ("@daily", "0 0 * * *"),
        ("5/15 4 1-31 * MON-FRI", "5/15 4 1-31 * MON-FRI"),
        ("0 22-23 * * 6-SAT", "0 22-23 * * 6"),
        ("7-7/3 20-21/15 * * *", "7 20 * * *"),
        ("0 0 */1 * TUE,?/3", "0 0 * * 2,0-6/3"),
        ("0 0 */5 * 0-6", "0 0 1-31/5 * 0-6"),
        ("*/1 */2 ? * *", "*/1 */2 * * *"),
    ],
)
def test_croniter_gets_an_expression_that_it_reads_as_the_controller_does(
    expression: str, rewritten: str
) -> None:
    assert for_croniter(expression) == rewritten
