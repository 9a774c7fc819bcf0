-- links.lua: links between the sources' pages become links between the site's.
function Link(link)
  if not link.target:match("^%a+:") then
    link.target = link.target:gsub("^README%.md", "index.html")
      :gsub("^%.%./README%.md", "../index.html"):gsub("%.md$", ".html"):gsub("%.md#", ".html#")
  end
  return link
end
-- The first heading names the page.
function Pandoc(doc)
  for _, block in ipairs(doc.blocks) do
    if block.t == "Header" and block.level == 1 and not doc.meta.pagetitle then
      doc.meta.pagetitle = pandoc.utils.stringify(block)
    end
  end
  return doc
end
