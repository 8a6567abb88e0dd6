import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.apache.zookeeper.ZooKeeperMain;

/**
 * What ends Apache's shell: for each line of standard input, the exception that leaves ZooKeeperMain.
 *
 * A line that begins with "zkCli.sh" starts a shell with the words behind it; any other is given to a shell of its own,
 * connected to the server that the program's argument names.
 */
public class Deaths {
    public static void main(String[] args) throws Exception {
        PrintStream answers = System.out;
        // What the shells say themselves is none of the answer.
        System.setOut(new PrintStream(PrintStream.nullOutputStream()));
        System.setErr(new PrintStream(PrintStream.nullOutputStream()));
        BufferedReader cases = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        String given;
        while ((given = cases.readLine()) != null) {
            answers.println(outcome(args[0], given));
        }
        // Sessions that nobody has closed have threads.
        Runtime.getRuntime().halt(0);
    }

    private static String outcome(String server, String given) {
        String[] usual = {"-server", server, "-timeout", "60000", "-waitforconnection"};
        try {
            if (given.startsWith("zkCli.sh ")) {
                new ZooKeeperMain(words(given.substring("zkCli.sh ".length()).replace("{server}", server)));
            } else {
                new ZooKeeperMain(usual).executeLine(given);
            }
            return "lives";
        } catch (Throwable death) {
            return death.toString();
        }
    }

    private static String[] words(String text) {
        String[] words = text.split(" ");
        for (int i = 0; i < words.length; i++) {
            words[i] = words[i].equals("''") ? "" : words[i];
        }
        return words;
    }
}
