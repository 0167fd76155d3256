"""`{% url %}` as Django's own, but for the addresses that never change: a page has some twenty of those."""

from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.template.base import FilterExpression, Parser, Token
from django.template.defaulttags import URLNode
from django.template.defaulttags import url as django_url
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.html import conditional_escape

register = template.Library()


class FixedURLNode(URLNode):
    """An address without arguments nor namespace: it is worked out once by process."""

    def render(self, context: template.Context) -> str:
        try:
            url = _address(self.view_name.var, get_script_prefix(), settings.ROOT_URLCONF, escaped=context.autoescape)
        except NoReverseMatch:
            return super().render(context)  # which says so as Django does
        if self.asvar:
            context[self.asvar] = url
            return ""
        return url


@lru_cache(maxsize=256)
def _address(name: str, _prefix: str, _urlconf: Any, *, escaped: bool) -> str:
    return conditional_escape(reverse(name)) if escaped else reverse(name)


@register.tag
def url(parser: Parser, token: Token) -> URLNode:
    node = django_url(parser, token)
    name = node.view_name
    fixed = (
        isinstance(name, FilterExpression) and not name.filters and isinstance(name.var, str) and ":" not in name.var
    )
    if fixed and not node.args and not node.kwargs:
        return FixedURLNode(name, [], {}, node.asvar)
    return node
