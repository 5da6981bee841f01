using System.Diagnostics;

namespace Microsoft.ML.LoraInit.Tests.Samples.Pages;

/// <summary>A headless Chromium, where there is one.</summary>
internal static class Browser
{
    private static readonly string[] Names = ["chromium", "chromium-browser", "google-chrome", "chrome", "msedge"];

    private static string? Found { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .SelectMany(folder => Names.SelectMany(name => new[] { Path.Combine(folder, name), Path.Combine(folder, $"{name}.exe") }))
        .FirstOrDefault(File.Exists);

    /// <summary>
    /// The page's document after its scripts ran, in a frame of a width: <c>width</c> and <c>scroll</c> of the frame, <c>drawn</c> charts,
    /// whether zeros on axes are <c>unsigned</c>, and <c>error</c>, as the attributes of one element.
    /// </summary>
    public static string Measure(string page, int width)
    {
        if (Found is not { } program)
            throw new AssertInconclusiveException($"There is no browser on the path ({string.Join(", ", Names)}).");
        var folder = Path.GetDirectoryName(page)!;
        var frame = Path.Combine(folder, $"frame-{width}.html");
        // A window cannot be as narrow as a phone, a frame can.
        File.WriteAllText(frame, $$"""
            <!doctype html><body><iframe id="f" style="width:{{width}}px;height:900px;border:0" src="{{Path.GetFileName(page)}}"></iframe><output id="seen"></output>
            <script>
            const f = document.getElementById('f'), out = document.getElementById('seen');
            let error = '';
            f.contentWindow.addEventListener('error', e => { error = e.message; });
            f.addEventListener('load', () => {
              const d = f.contentDocument.documentElement;
              const canvases = [...f.contentDocument.querySelectorAll('canvas')];
              const ticks = canvases.flatMap(c => Object.values(f.contentWindow.Chart.getChart(c)?.scales ?? {})).flatMap(s => s.ticks).map(t => t.label);
              const unsigned = ticks.every(t => !/^[-−][0.]*$/.test(t));
              const blank = canvases.filter(c => !c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some(v => v)).length;
              out.textContent = `width=${d.clientWidth} scroll=${d.scrollWidth} drawn=${d.dataset.drawn} canvases=${canvases.length} blank=${blank} unsigned=${unsigned} error=${error}.`;
            });
            </script>
            """);
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[]
        {
            "--headless", "--hide-scrollbars", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", $"--user-data-dir={Path.Combine(folder, "profile")}",
            "--virtual-time-budget=5000", "--dump-dom", new Uri(frame).AbsoluteUri,
        })
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        int at = output.IndexOf("<output id=\"seen\">", StringComparison.Ordinal);
        Assert.IsTrue(at >= 0, errors.Result);
        return output[(at + 18)..output.IndexOf("</output>", at, StringComparison.Ordinal)];
    }
}
