// The other language's version of this page has the same name; so have its sections.
(function () {
    "use strict";
    const name = location.pathname.split("/").pop();
    const page = !name || /^(dir_|README)/.test(name) ? "index.html" : name;

    function pointAtThisPage() {
        for (const link of document.querySelectorAll("a.language"))
            link.href = link.getAttribute("data-site") + page + location.hash;
    }

    // A long name in a table may be broken where it is joined.
    function letNamesBreak() {
        for (const link of document.querySelectorAll("td > a, td > code, td > p > a")) {
            const parts = link.textContent.split(/(?<=::|_|\.)(?=\w)|(?<=[a-z])(?=[A-Z])/);
            if (link.children.length > 0 || parts.length < 2) continue;
            link.textContent = "";
            parts.forEach((part, i) => {
                if (i > 0) link.append(document.createElement("wbr"));
                link.append(part);
            });
        }
    }

    window.addEventListener("DOMContentLoaded", pointAtThisPage);
    window.addEventListener("DOMContentLoaded", letNamesBreak);
    window.addEventListener("hashchange", pointAtThisPage);
})();
