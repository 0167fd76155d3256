"""The holders' walk before it begins, made inside the portal: `python -m tests.walks.holders_stage PASSWORD`.

Says in one line of JSON which mailboxes there are: in MODE, and two hors MODE.
"""

import json
import sys

import django


def prepare(password: str) -> dict[str, str]:
    from allauth.mfa.models import Authenticator

    from accounts.models import User
    from demo.accounts import create_people
    from tests.support.resets_stage import box, gia, granted, holder, hors_mode_box

    create_people()
    glass = User.objects.get(username="secours")
    glass.set_password(password)
    glass.save()
    Authenticator.objects.filter(user=glass).delete()  # the walk enrols its second factor
    mine, accepted, refused = box(), hors_mode_box(), hors_mode_box()
    head = User.objects.get(username="directrice")
    granted(mine, head)
    holder(mine, head)
    gia(mine, User.objects.get(username="gia"))
    return {"mode": mine.address, "accepted": accepted.address, "refused": refused.address}


if __name__ == "__main__":
    django.setup()
    json.dump(prepare(sys.argv[1]), sys.stdout)
