"""`{% component "card" title=… %}…{% endcomponent %}`: a template of `templates/components/` with a body.

A component sees its own arguments, the request and what it was given as `content`, nothing else. Components without
a body are ordinary `{% include "components/badge.html" with … only %}`.
"""

from collections.abc import Mapping

from django import template
from django.template.base import FilterExpression, Node, NodeList, Parser, Token, token_kwargs
from django.template.context import Context
from django.utils.safestring import SafeString

register = template.Library()

CARRIED = ("request", "csrf_token", "csp_nonce")


class ComponentNode(Node):
    """Renders the body where it stands, then the component around it."""

    def __init__(self, name: FilterExpression, arguments: Mapping[str, FilterExpression], body: NodeList) -> None:
        self.name = name
        self.arguments = arguments
        self.nodelist = body

    def render(self, context: Context) -> SafeString:
        """The component's markup; its template is looked up once per rendering by the engine's cache."""
        values = {name: value.resolve(context) for name, value in self.arguments.items()}
        values["content"] = self.nodelist.render(context)
        for name in CARRIED:
            if name in context:
                values.setdefault(name, context[name])
        engine = context.template.engine if context.template else template.Engine.get_default()
        component = engine.get_template(f"components/{self.name.resolve(context)}.html")
        return component.render(context.new(values))


@register.tag("component")
def component(parser: Parser, token: Token) -> ComponentNode:
    """Parse the tag: a name, then `name=value` arguments, then the body up to `{% endcomponent %}`."""
    bits = token.split_contents()[1:]
    if not bits:
        raise template.TemplateSyntaxError("component needs the name of a template in templates/components/.")
    name = parser.compile_filter(bits.pop(0))
    arguments = token_kwargs(bits, parser)
    if bits:
        raise template.TemplateSyntaxError(f"component does not understand {' '.join(bits)!r}.")
    body = parser.parse(("endcomponent",))
    parser.delete_first_token()
    return ComponentNode(name, arguments, body)
