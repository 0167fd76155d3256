// The error summary takes the focus, so that a screen reader reads it first. `autofocus` does the same where a
// browser honours it on a block: the page works without this file.
document.querySelector("[data-error-summary]")?.focus();
