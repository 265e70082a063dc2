// Search in a page that was opened as a file: browsers start no worker there, so its script runs in a hidden frame.
if (location.protocol === "file:")
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inner = frame.contentWindow
      inner.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      const script = frame.contentDocument.createElement("script")
      script.src = url
      const loaded = new Promise(resolve => script.addEventListener("load", () => resolve(inner)))
      frame.contentDocument.body.append(script)
      this.postMessage = data => void loaded.then(inner => inner.dispatchEvent(new inner.MessageEvent("message", { data })))
    }
    terminate() {}
  }
