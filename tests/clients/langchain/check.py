"""LangChain over OpenAI's library, unmodified, against a server. Arguments: the server's URL."""

import sys

from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAI

URL = sys.argv[1] + "/v1"
chat = ChatOpenAI(model="lora", base_url=URL, api_key="nobody", max_tokens=16, seed=3, max_retries=0)
answer = chat.invoke([HumanMessage("Tell me about Lily.")])
assert answer.content and answer.usage_metadata["output_tokens"] > 0, answer
assert "".join(chunk.content for chunk in chat.stream([HumanMessage("Tell me about Lily.")])) == answer.content
chain = ChatPromptTemplate.from_messages([("user", "Tell me about {name}.")]) | chat
assert chain.invoke({"name": "Lily"}).content == answer.content
assert len(chain.batch([{"name": "Tom"}, {"name": "Lily"}])) == 2
text = OpenAI(model="stories", base_url=URL, api_key="nobody", max_tokens=8, temperature=0, max_retries=0)
assert text.invoke("Once upon a time")
print("langchain")
