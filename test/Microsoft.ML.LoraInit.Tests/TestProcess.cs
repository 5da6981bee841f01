using System.Diagnostics;
using System.Reflection;

namespace Microsoft.ML.LoraInit.Tests;

/// <summary>
/// Runs a static method <c>Child(string[])</c> of a test class in a process of its own: this assembly is a program
/// whose first argument names the class.
/// </summary>
internal static class TestProcess
{
    private const string Method = "Child";

    public static int Main(string[] args)
    {
        if (args is not [var name, .. var rest] || typeof(TestProcess).Assembly.GetType(name) is not { } type)
        {
            Console.Error.WriteLine("These are tests; run them with 'dotnet test'.");
            return 1;
        }
        type.GetMethod(Method, BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!.Invoke(null, [rest]);
        return 0;
    }

    /// <summary>Starts the class's method; its output can be read from the process.</summary>
    public static Process Start<T>(params string[] args) => Start<T>(AppContext.BaseDirectory, new Dictionary<string, string>(), args);

    /// <summary>The same by a copy of this assembly in another folder.</summary>
    public static Process StartIn<T>(string folder, params string[] args) => Start<T>(folder, new Dictionary<string, string>(), args);

    /// <summary>Starts it with variables of its environment set.</summary>
    public static Process Start<T>(IReadOnlyDictionary<string, string> environment, params string[] args) => Start<T>(AppContext.BaseDirectory, environment, args);

    private static Process Start<T>(string folder, IReadOnlyDictionary<string, string> environment, string[] args)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in (string[])["exec", Path.Combine(folder, Path.GetFileName(typeof(TestProcess).Assembly.Location)), typeof(T).FullName!, .. args])
            start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}
