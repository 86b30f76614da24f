"""Tokens that follow from a seed."""

from sbc_sim.rtp.seeded import seeded_tokens


def test_one_seed_makes_the_same_tokens_in_the_same_order_and_another_makes_others() -> None:
    first, again, other = seeded_tokens("a"), seeded_tokens("a"), seeded_tokens("b")
    made = [first(n) for n in (4, 4, 8, 1)]
    assert made == [again(n) for n in (4, 4, 8, 1)]
    assert made[0] != made[1]
    assert [len(token) for token in made] == [8, 8, 16, 2]
    assert other(4) != made[0]
